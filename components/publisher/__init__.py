"""What is doubly blessed goes live: model repository, label and alias."""
