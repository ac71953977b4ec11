"""Programs that ship with rdflow; `rdflow programs` lists them."""
