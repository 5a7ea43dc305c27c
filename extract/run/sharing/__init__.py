"""The shards of one run, measured by one process or shared out over several."""
