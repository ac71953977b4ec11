"""From text to a checked program to a netlist. Pure: no machine, no numba, no printing."""
