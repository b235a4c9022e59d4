"""Workers train one candidate: data, recipe, loop, and the Ray side of a trial."""
