"""FED-PsyAU in JAX: federated micro-expression recognition with psychological priors, as pure functions."""
