"""From a netlist and a machine to cycles, values and a profile."""
