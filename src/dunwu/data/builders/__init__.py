"""Builders of training data: one module for each way of making a data set."""
