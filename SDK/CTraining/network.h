/* network.h: what a network is made of. Inside the engine only. */
#ifndef TRAINING_NETWORK_H
#define TRAINING_NETWORK_H

#include "gang.h"
#include "kernels.h"

#define NO_TENSOR UINT64_MAX

/** Below so many operations, a second thread costs more than it brings. */
#define SHARED_WORK 30000u

typedef struct layer {
  training_layer described;
  training_shape in, out;
  /** Where its inputs really come from: layers that change nothing are skipped. */
  int32_t source, second;
  /** The layer whose output this one's is, for flatten and for what another layer does on the way; else itself. */
  int32_t same_as;
  uint32_t relu;
  /** The last layer that reads its output; the number of layers if the loss does. */
  uint32_t last_reader;
  /** Into the parameters; NO_TENSOR if it has none. */
  uint64_t weight, bias, running_mean, running_variance;
  float *out_lanes, *gradient;
  /** Whether something was written into the gradient in this pass. */
  uint32_t has_gradient;
  /** A convolution's weights as the kernels read them, on the way there and back. */
  float *packed, *packed_back;
  /** What a norm remembers; which of each window a pool chose. */
  float *statistics;
  uint8_t *chosen;
} layer;

struct training_network {
  const kernels *kernels;
  gang *gang;
  uint32_t threads, loss, batch;
  uint32_t layer_count, tensor_count;
  layer *layers;
  training_tensor *tensors;
  training_shape input;
  uint32_t outputs;
  uint64_t parameter_count, trained_count;

  float *parameters, *gradients, *first, *second, *anchor, *correction;
  update_rule rule;
  uint32_t anchored, corrected;
  uint64_t steps;
  double power1, power2;
  uint64_t seed, passes;

  /** All memory that a pass works in. */
  uint8_t *arena;
  uint64_t arena_bytes;
  float *input_lanes;
  /** The samples of a dense layer, one after the other, and where each begins. */
  float *row_room;
  uint64_t row_pitch;
  const float **rows, **sample_rows;
  int32_t *labels;
  const float **target_rows;
  /** For each thread: a strip of a dense layer's gradient. */
  float *strips;
  uint64_t strip_floats;

  /** Of this pass. */
  uint32_t samples, blocks, training, applies;
};

static inline uint32_t features_of(training_shape shape) { return shape.channels * shape.height * shape.width; }
static inline uint32_t area_of(training_shape shape) { return shape.height * shape.width; }

/** Runs tasks on all threads if that pays; `operations` on vectors are in all of them. */
static inline void share(training_network *n, gang_work work, const void *context, uint32_t tasks,
                         uint64_t operations) {
  gang_run(operations < SHARED_WORK ? NULL : n->gang, work, context, tasks);
}

/** The same for a kernel; `operations` are those of one task. */
void training_share(training_network *n, kernel kernel, const void *work, uint32_t tasks, uint64_t operations);

static inline const float *output_of(const training_network *n, int32_t layer) {
  return layer < 0 ? n->input_lanes : n->layers[layer].out_lanes;
}

/** Where a layer writes the gradient of what it read; NULL if nobody needs it. Says whether it adds to it. */
static inline float *gradient_of(training_network *n, int32_t layer, uint32_t *accumulate) {
  if (layer < 0) return NULL;
  *accumulate = n->layers[layer].has_gradient;
  n->layers[layer].has_gradient = 1;
  return n->layers[layer].gradient;
}

/* create.c */
int32_t training_fail(training_error *error, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* shapes.c */
int32_t training_shapes(training_network *n, training_error *error);
/* plan.c */
void training_fuse(training_network *n);
int32_t training_plan(training_network *n, training_room room, training_error *error);

/* One function for each way, for each kind of layer. */
void training_convolution(training_network *n, layer *l);
void training_convolution_back(training_network *n, layer *l);
void training_dense(training_network *n, layer *l);
void training_dense_back(training_network *n, layer *l);
void training_pool(training_network *n, layer *l);
void training_pool_back(training_network *n, layer *l);
void training_batch_norm(training_network *n, layer *l);
void training_batch_norm_back(training_network *n, layer *l);
void training_layer_norm(training_network *n, layer *l);
void training_layer_norm_back(training_network *n, layer *l);
void training_elementwise(training_network *n, layer *l, uint32_t number);
void training_elementwise_back(training_network *n, layer *l, uint32_t number);
/* The gradient of a bias: of the layer's outputs, summed over places and samples. */
void training_bias_back(training_network *n, layer *l);
/* Sets the gradient to zero where a ReLU that the layer does itself cut off. */
void training_cut(training_network *n, layer *l);

/* loss.c: the loss of the pass, and its gradient if it is training. */
double training_loss(training_network *n, const training_batch *batch, uint64_t *correct);
/* optimise.c: `gradient` is of the parameters from `offset` on. */
void training_apply(training_network *n, const float *gradient, uint64_t offset, uint64_t count);
/* Done with the gradients of a layer's tensor, which lie in their place. */
void training_tensor_done(training_network *n, uint64_t offset, uint64_t count);
/* Counts the step that is about to be made. */
void training_next_step(training_network *n);

#endif
