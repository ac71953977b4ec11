"""The loops of place and route: plain Python over flat lists, and the same functions compiled where there is much to do."""
