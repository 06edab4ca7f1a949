"""The NumPy namespace: the handles that users hold, and the functions that take and give them."""
