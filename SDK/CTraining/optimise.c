#include <math.h>
#include <string.h>

#include "network.h"

static int has_second(const update_rule *r) { return r->kind == TRAINING_ADAM || r->kind == TRAINING_ADAMW; }
static int has_first(const update_rule *r) { return has_second(r) || r->momentum != 0; }

int32_t training_optimise(training_network *n, const training_rule *r, training_error *error) {
  if (r->kind < TRAINING_SGD || r->kind > TRAINING_ADAMW)
    return training_fail(error, "there is no optimiser %u", r->kind);
  if (!isfinite(r->rate) || !isfinite(r->decay) || !isfinite(r->proximal))
    return training_fail(error, "rate, decay and proximal are finite numbers");
  if (r->kind != TRAINING_SGD && !(r->beta1 >= 0 && r->beta1 < 1 && r->beta2 >= 0 && r->beta2 < 1 && r->epsilon > 0))
    return training_fail(error, "betas from 0 up to but not 1, and epsilon above 0");
  /* The memory begins as zeroes, and as long as nobody touches it the machine has no need to have it. */
  if (has_first(&n->rule)) memset(n->first, 0, n->trained_count * sizeof(float));
  if (has_second(&n->rule)) memset(n->second, 0, n->trained_count * sizeof(float));
  n->rule = (update_rule){.kind = r->kind, .rate = r->rate, .momentum = r->momentum, .decay = r->decay,
                          .beta1 = r->beta1, .beta2 = r->beta2, .epsilon = r->epsilon, .proximal = r->proximal,
                          .nesterov = r->nesterov};
  n->steps = 0;
  n->power1 = n->power2 = 1;
  training_anchor(n);
  return 0;
}

void training_set_rate(training_network *n, float rate) { n->rule.rate = rate; }

void training_anchor(training_network *n) {
  n->anchored = n->rule.proximal != 0;
  if (n->anchored) memcpy(n->anchor, n->parameters, n->trained_count * sizeof(float));
}

void training_correct(training_network *n, const float *correction) {
  n->corrected = correction != NULL;
  if (correction) memcpy(n->correction, correction, n->trained_count * sizeof(float));
}

void training_next_step(training_network *n) {
  n->steps += 1;
  n->power1 *= n->rule.beta1;
  n->power2 *= n->rule.beta2;
  n->rule.correction1 = (float)(1 / (1 - n->power1));
  n->rule.correction2 = (float)(1 / (1 - n->power2));
}

void training_apply(training_network *n, const float *gradient, uint64_t offset, uint64_t count) {
  const update_range range = {.parameters = n->parameters + offset, .gradient = gradient,
                              .first = has_first(&n->rule) ? n->first + offset : NULL,
                              .second = has_second(&n->rule) ? n->second + offset : NULL,
                              .anchor = n->anchored ? n->anchor + offset : NULL,
                              .correction = n->corrected ? n->correction + offset : NULL};
  n->kernels->update(&n->rule, &range, (uint32_t)count);
}

void training_tensor_done(training_network *n, uint64_t offset, uint64_t count) {
  if (n->applies) training_apply(n, n->gradients + offset, offset, count);
}

/* In pieces that two threads can share. */
#define PIECE 4096u

static void step_part(const void *context, uint32_t begin, uint32_t end, uint32_t worker) {
  (void)worker;
  training_network *n = *(training_network *const *)context;
  uint64_t first = (uint64_t)begin * PIECE, last = (uint64_t)end * PIECE;
  if (last > n->trained_count) last = n->trained_count;
  training_apply(n, n->gradients + first, first, last - first);
}

void training_step(training_network *n) {
  training_next_step(n);
  share(n, step_part, &n, (uint32_t)((n->trained_count + PIECE - 1) / PIECE), n->trained_count / 4);
}
