"""What can be run: each job from its configuration to a finished directory."""
