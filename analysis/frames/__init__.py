"""The result table is read, checked and reshaped into the frames that figures and tables share."""
