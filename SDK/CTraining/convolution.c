/* Convolutions. The gradient of the input is a convolution of the output's gradient with the weights turned around;
 * with a stride, one for each of the places that a step of the stride passes over. */
#include "network.h"

/* Some taps of a kernel, as the kernels read them. */
typedef struct packing {
  const float *weights;
  float *packed;
  uint32_t outs, ins, width, tile;
  size_t out_stride, in_stride;
  uint32_t rows[TRAINING_KERNEL_LIMIT], columns[TRAINING_KERNEL_LIMIT];
  uint32_t row_count, column_count;
} packing;

static void pack(const packing *p) {
  float *to = p->packed;
  for (uint32_t out = 0; out < p->outs; out += p->tile) {
    uint32_t end = p->outs - out < p->tile ? p->outs : out + p->tile;
    for (uint32_t in = 0; in < p->ins; in++)
      for (uint32_t row = 0; row < p->row_count; row++)
        for (uint32_t column = 0; column < p->column_count; column++) {
          const float *from = p->weights + in * p->in_stride + p->rows[row] * p->width + p->columns[column];
          for (uint32_t o = out; o < end; o++) *to++ = from[o * p->out_stride];
        }
  }
}

/* A correlation of whole blocks, shared by blocks and rows. */
typedef struct block_work {
  const kernels *kernels;
  correlation correlation;
  size_t in_pitch, out_pitch;
} block_work;

static void correlate_part(const void *context, uint32_t begin, uint32_t end, uint32_t worker) {
  (void)worker;
  const block_work *work = context;
  const uint32_t rows = work->correlation.rows;
  while (begin < end) {
    uint32_t block = begin / rows, row = begin % rows;
    uint32_t stop = end - begin < rows - row ? row + (end - begin) : rows;
    correlation c = work->correlation;
    c.in += block * work->in_pitch;
    c.out += block * work->out_pitch;
    work->kernels->correlate(&c, row, stop);
    begin += stop - row;
  }
}

static void correlate_blocks(training_network *n, const correlation *c) {
  if (c->rows == 0 || c->columns == 0) return;
  block_work work = {n->kernels, *c, (size_t)c->in_channels * c->in_height * c->in_width * LANES,
                     (size_t)c->out_channels * c->out_height * c->out_width * LANES};
  uint64_t operations = (uint64_t)n->blocks * c->rows * c->columns * c->out_channels *
                        ((uint64_t)c->in_channels * c->kernel_height * c->kernel_width + 1);
  share(n, correlate_part, &work, n->blocks * c->rows, operations);
}

void training_convolution(training_network *n, layer *l) {
  const training_layer *d = &l->described;
  packing p = {.weights = n->parameters + l->weight, .packed = l->packed, .outs = d->outputs, .ins = l->in.channels,
               .width = d->window, .tile = n->kernels->tile_channels,
               .out_stride = (size_t)l->in.channels * d->window * d->window, .in_stride = (size_t)d->window * d->window,
               .row_count = d->window, .column_count = d->window};
  for (uint32_t i = 0; i < d->window; i++) p.rows[i] = p.columns[i] = i;
  pack(&p);
  correlation c = {.in = output_of(n, l->source), .in_channels = l->in.channels, .in_height = l->in.height,
                   .in_width = l->in.width, .weights = l->packed,
                   .bias = l->bias == NO_TENSOR ? NULL : n->parameters + l->bias, .kernel_height = d->window,
                   .kernel_width = d->window, .stride = d->stride, .top = (int32_t)d->padding,
                   .left = (int32_t)d->padding,
                   .out = l->out_lanes, .out_channels = d->outputs, .rows = l->out.height, .columns = l->out.width,
                   .out_height = l->out.height, .out_width = l->out.width, .step = 1, .relu = l->relu};
  correlate_blocks(n, &c);
}

/* The taps that reach the input places at `place` of each stride, the last first, and how far before such a place the
 * first of them finds its output. */
static uint32_t taps_at(const training_layer *d, uint32_t place, uint32_t *taps, int32_t *before) {
  uint32_t count = 0;
  *before = 0;
  for (uint32_t tap = d->window; tap-- > 0;) {
    if ((place + d->padding + d->stride * d->window - tap) % d->stride != 0) continue;
    int32_t first = ((int32_t)(place + d->padding) - (int32_t)tap) / (int32_t)d->stride;
    if (count == 0) *before = -first;
    taps[count++] = tap;
  }
  return count;
}

static void input_gradient(training_network *n, layer *l, float *gradient, uint32_t accumulate) {
  const training_layer *d = &l->described;
  float *packed = l->packed_back;
  for (uint32_t y = 0; y < d->stride; y++) {
    for (uint32_t x = 0; x < d->stride; x++) {
      packing p = {.weights = n->parameters + l->weight, .packed = packed, .outs = l->in.channels, .ins = d->outputs,
                   .width = d->window, .tile = n->kernels->tile_channels, .out_stride = (size_t)d->window * d->window,
                   .in_stride = (size_t)l->in.channels * d->window * d->window};
      correlation c = {.in = l->gradient, .in_channels = d->outputs, .in_height = l->out.height,
                       .in_width = l->out.width, .weights = packed, .stride = 1, .out = gradient,
                       .out_channels = l->in.channels, .out_height = l->in.height, .out_width = l->in.width,
                       .step = d->stride, .first_row = y, .first_column = x, .accumulate = accumulate};
      p.row_count = taps_at(d, y, p.rows, &c.top);
      p.column_count = taps_at(d, x, p.columns, &c.left);
      pack(&p);
      packed += (size_t)p.outs * p.ins * p.row_count * p.column_count;
      c.kernel_height = p.row_count;
      c.kernel_width = p.column_count;
      c.rows = l->in.height > y ? (l->in.height - y + d->stride - 1) / d->stride : 0;
      c.columns = l->in.width > x ? (l->in.width - x + d->stride - 1) / d->stride : 0;
      correlate_blocks(n, &c);
    }
  }
}

static void weights_gradient(training_network *n, layer *l) {
  const training_layer *d = &l->described;
  const weight_gradient work = {.in = output_of(n, l->source), .out_gradient = l->gradient, .blocks = n->blocks,
                                .in_channels = l->in.channels, .in_height = l->in.height, .in_width = l->in.width,
                                .out_channels = d->outputs, .out_height = l->out.height, .out_width = l->out.width,
                                .kernel_height = d->window, .kernel_width = d->window, .stride = d->stride,
                                .padding = d->padding, .gradient = n->gradients + l->weight};
  training_share(n, n->kernels->correlate_weights, &work, n->kernels->weight_tasks(&work),
                 (uint64_t)n->blocks * features_of(l->out) * d->window * d->window);
}

void training_convolution_back(training_network *n, layer *l) {
  uint32_t accumulate = 0;
  training_cut(n, l);
  float *gradient = gradient_of(n, l->source, &accumulate);
  if (gradient) input_gradient(n, l, gradient, accumulate);
  weights_gradient(n, l);
  uint64_t weights = (uint64_t)l->in.channels * l->described.outputs * l->described.window * l->described.window;
  training_tensor_done(n, l->weight, weights);
  training_bias_back(n, l);
}
