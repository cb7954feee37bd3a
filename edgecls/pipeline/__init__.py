"""From a recipe to a run folder: the one place where the parts meet."""
