"""Every figure that a model card or the README quotes, as a function and a command."""
