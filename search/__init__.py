"""The search: proposes placements, has them trained, and records what came of them."""
