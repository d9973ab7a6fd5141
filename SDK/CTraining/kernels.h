/*
 * kernels.h: the loops in which the time goes. They are compiled once for each kind of processor
 * (kernels_avx512.c, kernels_avx2.c, kernels_plain.c), and chosen when a network is made.
 *
 * A kernel does a part of its work, from `begin` up to `end`, so that threads can share it. What it computes for one
 * part never depends on how the work was shared: one thread and two give the same bits.
 */
#ifndef TRAINING_KERNELS_H
#define TRAINING_KERNELS_H

#include "include/training.h"
#include "lanes.h"

/** A convolution, or the gradient of one, over one block of samples. Input row of output row r and kernel row k is
 * r * stride + k - top, and so for columns; what lies outside is zero. */
typedef struct correlation {
  const float *in;
  uint32_t in_channels, in_height, in_width;
  /** Packed: [tile of output channels][input channel][kernel row][kernel column][channel of the tile]. */
  const float *weights;
  const float *bias;
  uint32_t kernel_height, kernel_width, stride;
  int32_t top, left;
  float *out;
  uint32_t out_channels, rows, columns;
  /** Row r, column c goes to row first_row + r * step, column first_column + c * step of the output. */
  uint32_t out_height, out_width, step, first_row, first_column;
  uint32_t relu;
  /** Adds to what is there, for a tensor that several layers read. */
  uint32_t accumulate;
} correlation;

/** The gradient of a convolution's weights, over all blocks. */
typedef struct weight_gradient {
  const float *in, *out_gradient;
  uint32_t blocks;
  uint32_t in_channels, in_height, in_width, out_channels, out_height, out_width;
  uint32_t kernel_height, kernel_width, stride, padding;
  float *gradient;
} weight_gradient;

/** sums[c] = sum over the places of a channel and over the samples. */
typedef struct channel_sums {
  const float *in;
  uint32_t channels, area, blocks;
  float *sums;
} channel_sums;

/** out[o] = bias[o] + sum over i of weights[o][i] * in[i]. */
typedef struct dense_forward {
  const float *in, *weights, *bias;
  float *out;
  uint32_t ins, outs, blocks, relu;
} dense_forward;

/** in_gradient[i] = sum over o of weights[o][i] * out_gradient[o]. */
typedef struct dense_backward {
  const float *out_gradient, *weights;
  float *in_gradient;
  uint32_t ins, outs, blocks, accumulate;
} dense_backward;

/** gradient[o][i] = sum over samples of out_gradient[o] * row of the sample[i]. */
typedef struct dense_weights {
  const float *out_gradient;
  /** Each sample's input, readable up to a whole number of vectors; zero or anything finite past its end. */
  const float *const *rows;
  uint32_t ins, outs, samples;
} dense_weights;

typedef struct pooling {
  const float *in;
  float *out;
  /** Which of the window was the greatest, a byte for each lane. */
  uint8_t *chosen;
  const float *out_gradient;
  float *in_gradient;
  uint32_t in_height, in_width, out_height, out_width, window_height, window_width, stride, relu, accumulate;
} pooling;

typedef struct batch_norm {
  const float *in;
  float *out;
  const float *out_gradient;
  float *in_gradient;
  uint32_t channels, area, blocks, samples, relu, accumulate;
  float epsilon;
  const float *scale, *shift;
  /** Of the batch, for the way back; of all batches, for evaluation. */
  float *mean, *inverse_deviation;
  float *running_mean, *running_variance;
  float momentum;
  float *scale_gradient, *shift_gradient;
} batch_norm;

typedef struct layer_norm {
  const float *in;
  float *out;
  const float *out_gradient;
  float *in_gradient;
  uint32_t features, blocks, accumulate;
  float epsilon;
  const float *scale, *shift;
  /** Lanes for each block: mean, one over the deviation, and on the way back two sums. */
  float *statistics;
  float *scale_gradient, *shift_gradient;
} layer_norm;

typedef struct elementwise {
  const float *in, *second;
  float *out;
  uint32_t relu, accumulate;
  /** Dropout: what decides, with the place of a lane, whether it is kept. */
  uint32_t key, threshold;
  float scale;
} elementwise;

/** What a step does with a gradient. */
typedef struct update_rule {
  uint32_t kind;
  float rate, momentum, decay, beta1, beta2, epsilon, proximal;
  /** Adam's corrections for its first steps. */
  float correction1, correction2;
  uint32_t nesterov;
} update_rule;

/** The same range of several buffers; those that a rule does not use are NULL. */
typedef struct update_range {
  float *parameters;
  const float *gradient;
  float *first, *second;
  /** FedProx: where the round began. SCAFFOLD: what is added to each gradient. */
  const float *anchor, *correction;
} update_range;

/** Does tasks `begin` to `end` of a piece of work, one of the structures above. */
typedef void (*kernel)(const void *work, uint32_t begin, uint32_t end);

typedef struct kernels {
  const char *name;
  /** Output channels of a tile of packed weights; rows of a dense layer that are computed together. */
  uint32_t tile_channels, dense_tile;
  /** A correlation's rows of the output. */
  kernel correlate;
  /** A weight_gradient's pairs of a group of output channels and an input channel; weight_tasks says how many. */
  uint32_t (*weight_tasks)(const weight_gradient *);
  kernel correlate_weights;
  /** Outputs; inputs. */
  kernel dense_forward, dense_backward;
  /** Rows of the weights from `begin`, at most dense_tile; each into `strip` with a pitch of whole vectors. */
  void (*dense_weights)(const dense_weights *, uint32_t begin, uint32_t end, float *strip);
  /** Channels. */
  kernel channel_sums;
  /** Samples to lanes and back; `count` of the samples are there. */
  void (*to_lanes)(const float *const *rows, uint32_t count, uint32_t features, float *out);
  void (*to_rows)(const float *in, uint32_t features, float *const *rows);
  /** A pooling's maps: channels, those of all blocks one after the other. */
  kernel max_pool, max_pool_backward, average_pool, average_pool_backward;
  /** Channels. */
  kernel batch_norm, batch_norm_evaluate, batch_norm_backward;
  /** Blocks; features. */
  kernel layer_norm, layer_norm_backward, layer_norm_weights;
  /** Vectors. On the way back, `in` is the gradient; `second` what came out of ReLU, or what went into GELU. */
  kernel relu, relu_backward, gelu, gelu_backward, dropout, add, pass;
  /** Per block: probabilities of `classes`; what each sample lost goes into `losses` (16). */
  void (*softmax)(const float *in, const int32_t *labels, uint32_t classes, float *out, float *losses);
  void (*update)(const update_rule *, const update_range *, uint32_t count);
} kernels;

extern const kernels training_kernels_plain;
#if defined(__x86_64__)
extern const kernels training_kernels_avx2, training_kernels_avx512;
#endif

/** The best for this machine; NULL if `name` is none of them. */
const kernels *training_kernels(const char *name);

#endif
