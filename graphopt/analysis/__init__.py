"""Facts that passes and schedule share."""
