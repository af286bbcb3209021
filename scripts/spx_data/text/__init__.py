"""Words for people: numbers and moments as they are read, and text from outside made harmless."""
