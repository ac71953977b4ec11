"""The syntax of rdf programs: one Lark file, `rdf.lark`."""
