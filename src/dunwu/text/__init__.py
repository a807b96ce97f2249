"""Texts as all parts read them: words, languages, boxes."""
