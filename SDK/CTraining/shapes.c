/* What goes into each layer and what comes out, and the table of the parameters. */
#include <string.h>

#include "network.h"

static int32_t window_shape(layer *l, uint32_t number, uint32_t channels, training_error *error) {
  const training_layer *d = &l->described;
  if (d->window < 1 || d->window > TRAINING_KERNEL_LIMIT || d->stride < 1 || d->stride > TRAINING_KERNEL_LIMIT ||
      d->padding >= d->window)
    return training_fail(error, "layer %u: window %u, stride %u, padding %u: at most %u, and less padding than window",
                         number, d->window, d->stride, d->padding, TRAINING_KERNEL_LIMIT);
  uint32_t height = l->in.height + 2 * d->padding, width = l->in.width + 2 * d->padding;
  if (height < d->window || width < d->window)
    return training_fail(error, "layer %u: a window of %u does not fit on %ux%u", number, d->window, l->in.height,
                         l->in.width);
  l->out = (training_shape){channels, (height - d->window) / d->stride + 1, (width - d->window) / d->stride + 1};
  return 0;
}

static int32_t infer(training_network *n, layer *l, uint32_t number, training_error *error) {
  const training_layer *d = &l->described;
  if (d->source < -1 || d->source >= (int32_t)number)
    return training_fail(error, "layer %u reads layer %d, which does not stand before it", number, d->source);
  l->in = d->source < 0 ? n->input : n->layers[d->source].out;
  l->out = l->in;
  switch (d->kind) {
  case TRAINING_DENSE:
    if (d->outputs < 1 || d->outputs > TRAINING_FEATURE_LIMIT)
      return training_fail(error, "layer %u: %u units", number, d->outputs);
    l->out = (training_shape){d->outputs, 1, 1};
    return 0;
  case TRAINING_CONVOLUTION:
    if (d->outputs < 1 || d->outputs > TRAINING_FEATURE_LIMIT)
      return training_fail(error, "layer %u: %u channels", number, d->outputs);
    return window_shape(l, number, d->outputs, error);
  case TRAINING_MAX_POOL:
  case TRAINING_AVERAGE_POOL:
    if (d->padding != 0) return training_fail(error, "layer %u: pools have no padding", number);
    return window_shape(l, number, l->in.channels, error);
  case TRAINING_GLOBAL_AVERAGE: l->out = (training_shape){l->in.channels, 1, 1}; return 0;
  case TRAINING_FLATTEN: l->out = (training_shape){features_of(l->in), 1, 1}; return 0;
  case TRAINING_BATCH_NORM:
  case TRAINING_LAYER_NORM:
    return d->epsilon > 0 ? 0 : training_fail(error, "layer %u: epsilon %g is not above 0", number, (double)d->epsilon);
  case TRAINING_DROPOUT:
    return d->rate >= 0 && d->rate < 1 ? 0 : training_fail(error, "layer %u: a rate of %g", number, (double)d->rate);
  case TRAINING_RELU:
  case TRAINING_GELU: return 0;
  case TRAINING_ADD:
    if (d->second < -1 || d->second >= (int32_t)number)
      return training_fail(error, "layer %u reads layer %d, which does not stand before it", number, d->second);
    training_shape other = d->second < 0 ? n->input : n->layers[d->second].out;
    if (memcmp(&other, &l->in, sizeof other) != 0)
      return training_fail(error, "layer %u adds %ux%ux%u and %ux%ux%u", number, l->in.channels, l->in.height,
                           l->in.width, other.channels, other.height, other.width);
    return 0;
  default: return training_fail(error, "layer %u: there is no kind %u", number, d->kind);
  }
}

static uint64_t add_tensor(training_network *n, uint32_t number, uint32_t role, uint32_t rank, const uint32_t *shape) {
  training_tensor tensor = {.layer = number, .role = role, .rank = rank, .offset = n->parameter_count, .count = 1};
  for (uint32_t i = 0; i < rank; i++) {
    tensor.shape[i] = shape[i];
    tensor.count *= shape[i];
  }
  n->tensors[n->tensor_count++] = tensor;
  n->parameter_count += tensor.count;
  return tensor.offset;
}

static void add_trained(training_network *n, layer *l, uint32_t number) {
  const training_layer *d = &l->described;
  uint32_t shape[4] = {d->outputs, l->in.channels, d->window, d->window};
  switch (d->kind) {
  case TRAINING_DENSE:
    shape[1] = features_of(l->in);
    l->weight = add_tensor(n, number, TRAINING_WEIGHT, 2, shape);
    break;
  case TRAINING_CONVOLUTION: l->weight = add_tensor(n, number, TRAINING_WEIGHT, 4, shape); break;
  case TRAINING_BATCH_NORM:
    l->weight = add_tensor(n, number, TRAINING_WEIGHT, 1, &l->in.channels);
    l->bias = add_tensor(n, number, TRAINING_BIAS, 1, &l->in.channels);
    return;
  case TRAINING_LAYER_NORM: {
    /* One scale for each feature: a row of numbers has one dimension, an image three. */
    const uint32_t image[3] = {l->in.channels, l->in.height, l->in.width};
    uint32_t rank = area_of(l->in) == 1 ? 1 : 3;
    l->weight = add_tensor(n, number, TRAINING_WEIGHT, rank, image);
    l->bias = add_tensor(n, number, TRAINING_BIAS, rank, image);
    return;
  }
  default: return;
  }
  if (d->bias) l->bias = add_tensor(n, number, TRAINING_BIAS, 1, &d->outputs);
}

int32_t training_shapes(training_network *n, training_error *error) {
  for (uint32_t i = 0; i < n->layer_count; i++) {
    layer *l = &n->layers[i];
    l->weight = l->bias = l->running_mean = l->running_variance = NO_TENSOR;
    if (infer(n, l, i, error) != 0) return -1;
    if ((uint64_t)l->out.channels * l->out.height * l->out.width > TRAINING_FEATURE_LIMIT)
      return training_fail(error, "layer %u puts out more than %u numbers a sample", i, TRAINING_FEATURE_LIMIT);
    add_trained(n, l, i);
    if (n->parameter_count > TRAINING_PARAMETER_LIMIT)
      return training_fail(error, "layer %u: more than %llu parameters", i, TRAINING_PARAMETER_LIMIT);
  }
  n->trained_count = n->parameter_count;
  for (uint32_t i = 0; i < n->layer_count; i++) {
    layer *l = &n->layers[i];
    if (l->described.kind != TRAINING_BATCH_NORM) continue;
    l->running_mean = add_tensor(n, i, TRAINING_RUNNING_MEAN, 1, &l->in.channels);
    l->running_variance = add_tensor(n, i, TRAINING_RUNNING_VARIANCE, 1, &l->in.channels);
  }
  n->outputs = features_of(n->layers[n->layer_count - 1].out);
  return 0;
}
