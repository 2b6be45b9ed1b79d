"""From two pictures of a face to the numbers the network sees."""
