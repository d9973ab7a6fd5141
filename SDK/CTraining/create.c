#define _GNU_SOURCE
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "network.h"

int32_t training_fail(training_error *error, const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(error->text, sizeof error->text, format, arguments);
  va_end(arguments);
  return -1;
}

static int32_t check_options(training_network *n, const training_options *o, training_error *error) {
  if (o->batch < 1 || o->batch > TRAINING_BATCH_LIMIT)
    return training_fail(error, "batches of %u; from 1 to %u can be", o->batch, TRAINING_BATCH_LIMIT);
  if (o->threads < 1 || o->threads > TRAINING_THREAD_LIMIT)
    return training_fail(error, "%u threads; from 1 to %u can be", o->threads, TRAINING_THREAD_LIMIT);
  if (o->loss != TRAINING_CROSS_ENTROPY && o->loss != TRAINING_SQUARED_ERROR)
    return training_fail(error, "there is no loss %u", o->loss);
  n->kernels = training_kernels(o->kernels);
  if (!n->kernels) return training_fail(error, "this processor has no kernels called %s", o->kernels);
  n->batch = o->batch;
  n->threads = o->threads;
  n->loss = o->loss;
  n->seed = o->seed;
  return 0;
}

void training_give_back(training_room room) {
  if (room.start) munmap(room.start, room.bytes);
}

static int32_t make(training_network *n, const training_layer *layers, uint32_t count, training_shape input,
                    const training_options *options, training_error *error) {
  if (check_options(n, options, error) != 0) return -1;
  if (count < 1 || count > TRAINING_LAYER_LIMIT)
    return training_fail(error, "%u layers; from 1 to %u can be", count, TRAINING_LAYER_LIMIT);
  if (input.channels < 1 || input.height < 1 || input.width < 1 || input.channels > TRAINING_FEATURE_LIMIT ||
      input.height > 65536 || input.width > 65536 ||
      (uint64_t)input.channels * input.height * input.width > TRAINING_FEATURE_LIMIT)
    return training_fail(error, "an input of %ux%ux%u; at most %u numbers a sample", input.channels, input.height,
                         input.width, TRAINING_FEATURE_LIMIT);
  n->input = input;
  n->layers = calloc(count, sizeof(layer));
  n->tensors = calloc((size_t)count * 4, sizeof(training_tensor));
  if (!n->layers || !n->tensors) return training_fail(error, "no memory for %u layers", count);
  n->layer_count = count;
  for (uint32_t i = 0; i < count; i++) n->layers[i].described = layers[i];
  if (training_shapes(n, error) != 0) return -1;
  if (n->trained_count == 0) return training_fail(error, "no layer has parameters, so there is nothing to train");
  training_fuse(n);
  return training_plan(n, options->room, error);
}

static void set_ones(training_network *n) {
  for (uint32_t i = 0; i < n->tensor_count; i++) {
    const training_tensor *tensor = &n->tensors[i];
    const uint32_t kind = n->layers[tensor->layer].described.kind;
    const uint32_t norm = kind == TRAINING_BATCH_NORM || kind == TRAINING_LAYER_NORM;
    if (tensor->role == TRAINING_RUNNING_VARIANCE || (norm && tensor->role == TRAINING_WEIGHT))
      for (uint64_t k = 0; k < tensor->count; k++) n->parameters[tensor->offset + k] = 1;
  }
}

training_network *training_create(const training_layer *layers, uint32_t count, training_shape input,
                                  const training_options *options, training_error *error) {
  training_network *n = calloc(1, sizeof *n);
  if (!n) {
    training_give_back(options->room);
    training_fail(error, "no memory for a network");
    return NULL;
  }
  const int32_t failed = make(n, layers, count, input, options, error);
  if (n->arena != options->room.start) training_give_back(options->room);
  if (failed) {
    training_destroy(n);
    return NULL;
  }
  set_ones(n);
  const training_rule plain = {.kind = TRAINING_SGD, .rate = 0.01f};
  training_optimise(n, &plain, error);
  return n;
}

void training_destroy(training_network *n) { training_give_back(training_leave(n)); }

/* Behind the parameters, the next one finds zeroes as in new memory. */
static void clear_behind_parameters(training_network *n) {
  const uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE), used = n->parameter_count * sizeof(float);
  const uint64_t whole = (used + page - 1) / page * page;
  if (whole > n->arena_bytes) {
    memset(n->arena + used, 0, n->arena_bytes - used);
    return;
  }
  memset(n->arena + used, 0, whole - used);
  madvise(n->arena + whole, n->arena_bytes - whole, MADV_DONTNEED);
}

training_room training_leave(training_network *n) {
  training_end(n);
  training_room room = {.start = n->arena, .bytes = n->arena_bytes};
  if (n->arena) clear_behind_parameters(n);
  free(n->layers);
  free(n->tensors);
  free(n);
  return room;
}

int32_t training_begin(training_network *n, training_error *error) {
  if (n->gang || n->threads == 1) return 0;
  n->gang = gang_begin(n->threads);
  return n->gang ? 0 : training_fail(error, "the system gives no %u threads", n->threads);
}

void training_end(training_network *n) {
  if (n->gang) gang_end(n->gang);
  n->gang = NULL;
}

uint32_t training_outputs(const training_network *n) { return n->outputs; }
const char *training_kernel_name(const training_network *n) { return n->kernels->name; }
uint64_t training_memory(const training_network *n) { return n->arena_bytes; }
uint64_t training_parameter_count(const training_network *n) { return n->parameter_count; }
uint64_t training_trained_count(const training_network *n) { return n->trained_count; }
uint32_t training_tensor_count(const training_network *n) { return n->tensor_count; }
training_tensor training_tensor_at(const training_network *n, uint32_t index) { return n->tensors[index]; }
float *training_parameters(training_network *n) { return n->parameters; }
float *training_gradients(training_network *n) { return n->gradients; }
