"""What is told, and in which words: values for renderers to draw (docs/design.md)."""
