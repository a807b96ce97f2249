"""The tiny world: the generated text on which the bundled base model is pre-trained."""
