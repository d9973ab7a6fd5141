#include "network.h"

static const layer *last_layer(const training_network *n) { return &n->layers[n->layer_count - 1]; }

/* The class that the network gives a sample: the first of the greatest. */
static int32_t answer(const float *out, uint32_t lane, uint32_t outputs) {
  uint32_t best = 0;
  for (uint32_t i = 1; i < outputs; i++)
    if (out[(size_t)i * LANES + lane] > out[(size_t)best * LANES + lane]) best = i;
  return (int32_t)best;
}

/* Turns probabilities into the gradient of the mean loss. */
static void softmax_gradient(const training_network *n, uint32_t block, float *gradient) {
  const uint32_t first = block * LANES, there = n->samples - first < LANES ? n->samples - first : LANES;
  const float part = 1.0f / (float)n->samples;
  for (uint32_t lane = 0; lane < there; lane++) gradient[(size_t)n->labels[first + lane] * LANES + lane] -= 1.0f;
  for (uint32_t i = 0; i < n->outputs; i++)
    for (uint32_t lane = 0; lane < LANES; lane++)
      gradient[(size_t)i * LANES + lane] = lane < there ? gradient[(size_t)i * LANES + lane] * part : 0;
}

/* What sample `sample` should have given at `output`. */
static float target(const training_network *n, const training_batch *batch, uint32_t sample, uint32_t output) {
  return batch->targets ? n->target_rows[sample][output] : (uint32_t)n->labels[sample] == output;
}

static double squared_error(const training_network *n, const training_batch *batch, uint32_t block, const float *out,
                            float *gradient) {
  const uint32_t first = block * LANES, there = n->samples - first < LANES ? n->samples - first : LANES;
  const float part = 2.0f / ((float)n->samples * (float)n->outputs);
  double total = 0;
  for (uint32_t i = 0; i < n->outputs; i++) {
    for (uint32_t lane = 0; lane < LANES; lane++) {
      size_t at = (size_t)i * LANES + lane;
      float off = lane < there ? out[at] - target(n, batch, first + lane, i) : 0;
      gradient[at] = off * part;
      total += (double)off * off;
    }
  }
  return total / n->outputs;
}

double training_loss(training_network *n, const training_batch *batch, uint64_t *correct) {
  const layer *last = last_layer(n);
  double total = 0;
  *correct = 0;
  for (uint32_t block = 0; block < n->blocks; block++) {
    const size_t at = (size_t)block * n->outputs * LANES;
    const float *out = last->out_lanes + at;
    const uint32_t first = block * LANES, there = n->samples - first < LANES ? n->samples - first : LANES;
    if (n->loss == TRAINING_CROSS_ENTROPY) {
      float losses[LANES];
      n->kernels->softmax(out, n->labels + first, n->outputs, last->gradient + at, losses);
      for (uint32_t lane = 0; lane < there; lane++) total += losses[lane];
      if (n->training) softmax_gradient(n, block, last->gradient + at);
    } else {
      total += squared_error(n, batch, block, out, last->gradient + at);
    }
    for (uint32_t lane = 0; lane < there && !batch->targets; lane++)
      *correct += answer(out, lane, n->outputs) == n->labels[first + lane];
  }
  return total;
}
