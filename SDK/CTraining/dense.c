/* Dense layers. Their weights are most of a network's memory, so a step is made with each few rows of the gradient
 * while they are still in the cache. */
#include <string.h>

#include "network.h"

/* Shares whole tiles of rows, so that no row is computed in another way because of the threads. */
typedef struct tiled_work {
  kernel kernel;
  const void *work;
  uint32_t tile, rows;
} tiled_work;

static void tiled_part(const void *context, uint32_t begin, uint32_t end, uint32_t worker) {
  (void)worker;
  const tiled_work *w = context;
  w->kernel(w->work, begin * w->tile, end * w->tile < w->rows ? end * w->tile : w->rows);
}

static uint32_t tiles(const training_network *n, uint32_t rows) {
  return (rows + n->kernels->dense_tile - 1) / n->kernels->dense_tile;
}

static void share_rows(training_network *n, kernel kernel, const void *work, uint32_t rows, uint64_t operations) {
  const tiled_work tiled = {kernel, work, n->kernels->dense_tile, rows};
  share(n, tiled_part, &tiled, tiles(n, rows), operations);
}

static uint64_t operations(const training_network *n, const layer *l) {
  return (uint64_t)features_of(l->in) * l->described.outputs * n->blocks;
}

void training_dense(training_network *n, layer *l) {
  const dense_forward work = {.in = output_of(n, l->source), .weights = n->parameters + l->weight,
                              .bias = l->bias == NO_TENSOR ? NULL : n->parameters + l->bias, .out = l->out_lanes,
                              .ins = features_of(l->in), .outs = l->described.outputs, .blocks = n->blocks,
                              .relu = l->relu};
  share_rows(n, n->kernels->dense_forward, &work, work.outs, operations(n, l));
}

static void input_gradient(training_network *n, layer *l, float *gradient, uint32_t accumulate) {
  const dense_backward work = {.out_gradient = l->gradient, .weights = n->parameters + l->weight,
                               .in_gradient = gradient, .ins = features_of(l->in), .outs = l->described.outputs,
                               .blocks = n->blocks, .accumulate = accumulate};
  share_rows(n, n->kernels->dense_backward, &work, work.ins, operations(n, l));
}

/* The layer's input with each sample in one piece. */
static const float *const *rows_of_input(training_network *n, const layer *l) {
  const uint32_t ins = features_of(l->in);
  /* The samples came so; but a row is read up to a whole number of vectors. */
  if (l->source < 0 && ins % LANES == 0) return n->sample_rows;
  const float *in = output_of(n, l->source);
  for (uint32_t i = 0; i < n->blocks * LANES; i++) n->rows[i] = n->row_room + i * n->row_pitch;
  for (uint32_t block = 0; block < n->blocks; block++)
    n->kernels->to_rows(in + (size_t)block * ins * LANES, ins, (float *const *)n->rows + block * LANES);
  return n->rows;
}

typedef struct weight_work {
  training_network *network;
  dense_weights dense;
  uint64_t weight;
} weight_work;

static void weights_part(const void *context, uint32_t begin, uint32_t end, uint32_t worker) {
  const weight_work *work = context;
  training_network *n = work->network;
  const uint32_t tile = n->kernels->dense_tile, ins = work->dense.ins, outs = work->dense.outs;
  const size_t pitch = (size_t)blocks_of(ins) * LANES;
  float *strip = n->strips + worker * n->strip_floats;
  for (uint32_t at = begin; at < end; at++) {
    uint32_t row = at * tile, stop = row + tile < outs ? row + tile : outs;
    n->kernels->dense_weights(&work->dense, row, stop, strip);
    for (; row < stop; row++) {
      const float *gradient = strip + (row - at * tile) * pitch;
      uint64_t offset = work->weight + (uint64_t)row * ins;
      if (n->applies) training_apply(n, gradient, offset, ins);
      else memcpy(n->gradients + offset, gradient, ins * sizeof(float));
    }
  }
}

void training_dense_back(training_network *n, layer *l) {
  uint32_t accumulate = 0;
  training_cut(n, l);
  float *gradient = gradient_of(n, l->source, &accumulate);
  if (gradient) input_gradient(n, l, gradient, accumulate);
  training_bias_back(n, l);
  const weight_work work = {
      n,
      {.out_gradient = l->gradient, .rows = rows_of_input(n, l), .ins = features_of(l->in),
       .outs = l->described.outputs, .samples = n->samples},
      l->weight};
  share(n, weights_part, &work, tiles(n, work.dense.outs), operations(n, l));
}
