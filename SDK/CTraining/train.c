/* A pass through the network: there, and back. */
#include <string.h>

#include "network.h"

static int32_t check(const training_network *n, const training_batch *b, uint32_t limit, training_error *error) {
  if (b->count < 1 || b->count > limit)
    return training_fail(error, "a batch of %u samples; the network is made for 1 to %u", b->count, limit);
  if (b->labels) {
    for (uint32_t i = 0; i < b->count; i++) {
      int32_t label = b->labels[b->chosen ? b->chosen[i] : i];
      if (label < 0 || (uint32_t)label >= n->outputs)
        return training_fail(error, "sample %u is of class %d; the network knows 0 to %u", b->chosen ? b->chosen[i] : i,
                             label, n->outputs - 1);
    }
  } else if (n->loss != TRAINING_SQUARED_ERROR || !b->targets) {
    return training_fail(error, "samples without a class; cross-entropy needs one for each");
  }
  return 0;
}

/* A part of a batch becomes the input of this pass. */
static void take_samples(training_network *n, const training_batch *b, uint32_t begin, uint32_t count) {
  const uint32_t features = features_of(n->input);
  n->samples = count;
  n->blocks = blocks_of(count);
  for (uint32_t i = 0; i < n->blocks * LANES; i++) {
    size_t at = i < count ? (b->chosen ? b->chosen[begin + i] : begin + i) : 0;
    n->sample_rows[i] = b->samples + at * features;
    n->labels[i] = i < count && b->labels ? b->labels[at] : 0;
    if (b->targets) n->target_rows[i] = b->targets + at * n->outputs;
  }
}

static void input_part(const void *context, uint32_t begin, uint32_t end, uint32_t worker) {
  (void)worker;
  const training_network *n = *(const training_network *const *)context;
  const uint32_t features = features_of(n->input);
  for (uint32_t block = begin; block < end; block++)
    n->kernels->to_lanes(n->sample_rows + block * LANES, n->samples - block * LANES, features,
                         n->input_lanes + (size_t)block * features * LANES);
}

static void forward(training_network *n) {
  share(n, input_part, &n, n->blocks, (uint64_t)n->blocks * features_of(n->input) * 4);
  for (uint32_t i = 0; i < n->layer_count; i++) {
    layer *l = &n->layers[i];
    if (l->same_as != (int32_t)i) continue;
    switch (l->described.kind) {
    case TRAINING_DENSE: training_dense(n, l); break;
    case TRAINING_CONVOLUTION: training_convolution(n, l); break;
    case TRAINING_MAX_POOL:
    case TRAINING_AVERAGE_POOL:
    case TRAINING_GLOBAL_AVERAGE: training_pool(n, l); break;
    case TRAINING_BATCH_NORM: training_batch_norm(n, l); break;
    case TRAINING_LAYER_NORM: training_layer_norm(n, l); break;
    default: training_elementwise(n, l, i);
    }
  }
}

static void backward(training_network *n) {
  /* The loss wrote the last layer's gradient; a layer that nobody reads gets none. */
  for (uint32_t i = 0; i < n->layer_count; i++) n->layers[i].has_gradient = n->layers[i].last_reader == n->layer_count;
  for (uint32_t i = n->layer_count; i-- > 0;) {
    layer *l = &n->layers[i];
    if (l->same_as != (int32_t)i || !l->has_gradient) continue;
    switch (l->described.kind) {
    case TRAINING_DENSE: training_dense_back(n, l); break;
    case TRAINING_CONVOLUTION: training_convolution_back(n, l); break;
    case TRAINING_MAX_POOL:
    case TRAINING_AVERAGE_POOL:
    case TRAINING_GLOBAL_AVERAGE: training_pool_back(n, l); break;
    case TRAINING_BATCH_NORM: training_batch_norm_back(n, l); break;
    case TRAINING_LAYER_NORM: training_layer_norm_back(n, l); break;
    default: training_elementwise_back(n, l, i);
    }
  }
}

static int32_t pass(training_network *n, const training_batch *b, uint32_t applies, training_result *result,
                    training_error *error) {
  if (check(n, b, n->batch, error) != 0) return -1;
  take_samples(n, b, 0, b->count);
  n->training = 1;
  n->applies = applies;
  forward(n);
  result->loss = training_loss(n, b, &result->correct) / b->count;
  if (applies) training_next_step(n);
  backward(n);
  n->passes += 1;
  return 0;
}

int32_t training_train(training_network *n, const training_batch *b, training_result *result, training_error *error) {
  return pass(n, b, 1, result, error);
}

int32_t training_gradient(training_network *n, const training_batch *b, training_result *result,
                          training_error *error) {
  return pass(n, b, 0, result, error);
}

int32_t training_evaluate(training_network *n, const training_batch *b, training_result *result,
                          training_error *error) {
  if (check(n, b, UINT32_MAX, error) != 0) return -1;
  *result = (training_result){0};
  n->training = 0;
  for (uint32_t begin = 0; begin < b->count; begin += n->batch) {
    uint64_t correct = 0;
    take_samples(n, b, begin, b->count - begin < n->batch ? b->count - begin : n->batch);
    forward(n);
    result->loss += training_loss(n, b, &correct);
    result->correct += correct;
  }
  result->loss /= b->count;
  return 0;
}

int32_t training_predict(training_network *n, const training_batch *b, float *outputs, training_error *error) {
  if (b->count < 1) return training_fail(error, "no sample to predict");
  n->training = 0;
  const float *out = n->layers[n->layer_count - 1].out_lanes;
  for (uint32_t begin = 0; begin < b->count; begin += n->batch) {
    take_samples(n, b, begin, b->count - begin < n->batch ? b->count - begin : n->batch);
    forward(n);
    for (uint32_t i = 0; i < n->samples; i++)
      for (uint32_t k = 0; k < n->outputs; k++)
        outputs[(size_t)(begin + i) * n->outputs + k] = out[((size_t)(i / LANES) * n->outputs + k) * LANES + i % LANES];
  }
  return 0;
}
