"""From two pictures of a face to the inputs of the network."""
