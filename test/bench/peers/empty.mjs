// The floor of everything that Node does.
