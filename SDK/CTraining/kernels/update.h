/* The optimisers. One pass over memory: FedProx's pull and SCAFFOLD's correction change the gradient on the way. */

/* The gradient that a rule sees: what the loss gave, corrected, pulled back to where the round began. */
INLINE lanes corrected(const update_rule *r, const update_range *u, uint32_t i) {
  lanes slope = CONSTANT_LOOSE(u->gradient + i);
  if (u->correction) slope += CONSTANT_LOOSE(u->correction + i);
  if (u->anchor) slope += r->proximal * (CONSTANT_LOOSE(u->parameters + i) - CONSTANT_LOOSE(u->anchor + i));
  return slope;
}

INLINE void descend(const update_rule *r, const update_range *u, uint32_t i) {
  lanes parameter = CONSTANT_LOOSE(u->parameters + i);
  lanes slope = corrected(r, u, i) + r->decay * parameter;
  if (u->first) {
    lanes speed = r->momentum * CONSTANT_LOOSE(u->first + i) + slope;
    LOOSE_LANES(u->first + i) = speed;
    slope = r->nesterov ? slope + r->momentum * speed : speed;
  }
  LOOSE_LANES(u->parameters + i) = parameter - r->rate * slope;
}

INLINE void adapt(const update_rule *r, const update_range *u, uint32_t i) {
  lanes parameter = CONSTANT_LOOSE(u->parameters + i);
  lanes slope = corrected(r, u, i);
  if (r->kind == TRAINING_ADAMW) parameter -= r->rate * r->decay * parameter;
  else slope += r->decay * parameter;
  lanes first = r->beta1 * CONSTANT_LOOSE(u->first + i) + (1.0f - r->beta1) * slope;
  lanes second = r->beta2 * CONSTANT_LOOSE(u->second + i) + (1.0f - r->beta2) * slope * slope;
  LOOSE_LANES(u->first + i) = first;
  LOOSE_LANES(u->second + i) = second;
  lanes deviation = __builtin_elementwise_sqrt(second * r->correction2) + r->epsilon;
  LOOSE_LANES(u->parameters + i) = parameter - r->rate * r->correction1 * first / deviation;
}

static void update_whole(const update_rule *r, const update_range *u, uint32_t count) {
  if (r->kind == TRAINING_SGD)
    for (uint32_t i = 0; i < count; i += LANES) descend(r, u, i);
  else
    for (uint32_t i = 0; i < count; i += LANES) adapt(r, u, i);
}

static void update(const update_rule *r, const update_range *u, uint32_t count) {
  uint32_t whole = count / LANES * LANES, rest = count - whole;
  update_whole(r, u, whole);
  if (rest == 0) return;
  /* The last few go through vectors of their own. */
  lanes parameters = {}, gradient = {}, first = {}, second = {}, anchor = {}, correction = {};
  const size_t size = rest * sizeof(float);
  __builtin_memcpy(&parameters, u->parameters + whole, size);
  __builtin_memcpy(&gradient, u->gradient + whole, size);
  if (u->first) __builtin_memcpy(&first, u->first + whole, size);
  if (u->second) __builtin_memcpy(&second, u->second + whole, size);
  if (u->anchor) __builtin_memcpy(&anchor, u->anchor + whole, size);
  if (u->correction) __builtin_memcpy(&correction, u->correction + whole, size);
  update_range last = {(float *)&parameters, (const float *)&gradient, u->first ? (float *)&first : NULL,
                       u->second ? (float *)&second : NULL, u->anchor ? (const float *)&anchor : NULL,
                       u->correction ? (const float *)&correction : NULL};
  update_whole(r, &last, LANES);
  __builtin_memcpy(u->parameters + whole, &parameters, size);
  if (u->first) __builtin_memcpy(u->first + whole, &first, size);
  if (u->second) __builtin_memcpy(u->second + whole, &second, size);
}
