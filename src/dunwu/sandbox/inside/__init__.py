"""What runs behind the wall: the fork server and its children, under any Python from 3.9, with the standard library alone."""
