"""The shadow: what the version on trial would have answered, compared with what the active one has answered."""
