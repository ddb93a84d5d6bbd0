"""The page as a Deployment of its own: everybody by their own token, sees what they may see, decides as themselves."""
