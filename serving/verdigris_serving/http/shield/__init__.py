"""The shield: while a version is on trial the active one stands in front of it, and answers whatever it cannot."""
