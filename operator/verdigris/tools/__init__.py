"""What writes files of this repository from the code: CRDs, tables of the documents."""
