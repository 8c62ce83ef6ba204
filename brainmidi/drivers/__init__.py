"""Two thin drivers over one core: a recording becomes a score, a person improvises."""
