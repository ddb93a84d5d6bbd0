"""How the API server is talked to: the connection, requests and answers, errors, the kinds that are used."""
