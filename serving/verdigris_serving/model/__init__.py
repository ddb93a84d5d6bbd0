"""What a model is once its bytes are trusted: its documents and its arithmetic. No files, no HTTP, no scikit-learn."""
