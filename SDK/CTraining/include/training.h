/*
 * training.h: trains networks of layers on the processor.
 *
 * A network is made from a list of layers, once for the most samples that it gets at a time; all memory is planned
 * then, and nothing is allocated later. Its parameters are one buffer of float32, which is what is sent, averaged and
 * kept. A network is used by one thread at a time; it works with as many as it was told between training_begin and
 * training_end. The same seed and the same calls give the same bits, with one thread or several.
 *
 * Functions that return int32_t return 0 if all is well, and else say in `error` what is wrong.
 */
#ifndef TRAINING_H
#define TRAINING_H

#include <stddef.h>
#include <stdint.h>

#if defined(__clang__)
#pragma clang diagnostic push
#pragma clang diagnostic ignored "-Wnullability-extension"
#pragma clang assume_nonnull begin
#define TRAINING_NULLABLE _Nullable
#else
#define TRAINING_NULLABLE
#endif

#define TRAINING_DENSE 1u
#define TRAINING_CONVOLUTION 2u
#define TRAINING_MAX_POOL 3u
#define TRAINING_AVERAGE_POOL 4u
#define TRAINING_GLOBAL_AVERAGE 5u
#define TRAINING_BATCH_NORM 6u
#define TRAINING_LAYER_NORM 7u
#define TRAINING_DROPOUT 8u
#define TRAINING_RELU 9u
#define TRAINING_GELU 10u
#define TRAINING_FLATTEN 11u
#define TRAINING_ADD 12u

#define TRAINING_CROSS_ENTROPY 1u
#define TRAINING_SQUARED_ERROR 2u

#define TRAINING_SGD 1u
#define TRAINING_ADAM 2u
#define TRAINING_ADAMW 3u

#define TRAINING_WEIGHT 1u
#define TRAINING_BIAS 2u
#define TRAINING_RUNNING_MEAN 3u
#define TRAINING_RUNNING_VARIANCE 4u

#define TRAINING_LAYER_LIMIT 1024u
#define TRAINING_KERNEL_LIMIT 11u
#define TRAINING_THREAD_LIMIT 64u
#define TRAINING_BATCH_LIMIT 65536u
/** Of one tensor for one sample, and of all parameters. */
#define TRAINING_FEATURE_LIMIT (1u << 26)
#define TRAINING_PARAMETER_LIMIT (1ull << 30)
/** Of all that a network computes in. */
#define TRAINING_MEMORY_LIMIT (1ull << 36)
#define TRAINING_ERROR_SIZE 256

typedef struct training_error {
  char text[TRAINING_ERROR_SIZE];
} training_error;

typedef struct training_shape {
  uint32_t channels, height, width;
} training_shape;

typedef struct training_layer {
  uint32_t kind;
  /** The layer whose output it reads, one that stands before it; -1 is the network's input. `second` is ADD's. */
  int32_t source, second;
  /** Units of a dense layer, channels of a convolution. */
  uint32_t outputs;
  /** Kernels and windows are square. Pools have no padding. */
  uint32_t window, stride, padding;
  /** Whether a dense layer or a convolution adds a bias. */
  uint32_t bias;
  /** The part that dropout sets to zero. */
  float rate;
  /** Of the two norms; and how fast batch norm's running statistics follow. */
  float epsilon, momentum;
} training_layer;

/** Memory that a network had, for the next: new memory costs as much as what is put there. Zeroes: none. */
typedef struct training_room {
  void *TRAINING_NULLABLE start;
  uint64_t bytes;
} training_room;

typedef struct training_options {
  /** The most samples of a call; larger evaluations are made in parts of it. */
  uint32_t batch;
  uint32_t threads;
  uint32_t loss;
  /** Dropout's. */
  uint64_t seed;
  /** avx512, avx2 or plain; NULL for the best of this machine. */
  const char *TRAINING_NULLABLE kernels;
  /** The network's, or given back if it does not fit. With it, parameters are what they were there. */
  training_room room;
} training_options;

typedef struct training_tensor {
  uint32_t layer, role, rank;
  uint32_t shape[4];
  uint64_t offset, count;
} training_tensor;

typedef struct training_rule {
  uint32_t kind;
  float rate;
  /** SGD's. */
  float momentum;
  uint32_t nesterov;
  /** Added to the gradient as a multiple of the parameter; AdamW takes it from the parameter itself. */
  float decay;
  /** Adam's and AdamW's. */
  float beta1, beta2, epsilon;
  /** FedProx: the pull towards the anchor. */
  float proximal;
} training_rule;

typedef struct training_batch {
  /** Samples one after the other, channels, rows and columns each. */
  const float *samples;
  uint32_t count;
  /** If given, sample i of the batch is sample chosen[i], and so is its label or target. */
  const uint32_t *TRAINING_NULLABLE chosen;
  /** The class of each. */
  const int32_t *TRAINING_NULLABLE labels;
  /** For squared errors without classes: as many numbers a sample as the network puts out. */
  const float *TRAINING_NULLABLE targets;
} training_batch;

typedef struct training_result {
  /** Mean of the samples' losses. */
  double loss;
  /** How many samples the network gave their own class. */
  uint64_t correct;
} training_result;

typedef struct training_network training_network;

/** NULL if it cannot be made. All parameters are zero, but scales and running variances, which are one. */
training_network *TRAINING_NULLABLE training_create(const training_layer *layers, uint32_t count, training_shape input,
                                                    const training_options *options, training_error *error);
void training_destroy(training_network *network);
/** Destroys it but for its parameters' memory, which is the caller's to pass on or to give back. */
training_room training_leave(training_network *network);
void training_give_back(training_room room);

/** Starts the threads beyond the caller's own, and ends them. Without it, the caller works alone. */
int32_t training_begin(training_network *network, training_error *error);
void training_end(training_network *network);

uint32_t training_outputs(const training_network *network);
const char *training_kernel_name(const training_network *network);
/** Bytes that it holds. */
uint64_t training_memory(const training_network *network);

/** Parameters: first those that are trained, then running statistics. */
uint64_t training_parameter_count(const training_network *network);
uint64_t training_trained_count(const training_network *network);
uint32_t training_tensor_count(const training_network *network);
training_tensor training_tensor_at(const training_network *network, uint32_t index);
float *training_parameters(training_network *network);
/** Of the trained parameters, after training_gradient. */
float *training_gradients(training_network *network);

/** Chooses an optimiser, and forgets what it remembered. */
int32_t training_optimise(training_network *network, const training_rule *rule, training_error *error);
/** Changes the rate, for schedules. */
void training_set_rate(training_network *network, float rate);
/** FedProx: pulls towards the parameters as they are now, if the rule says so. Called where a round begins. */
void training_anchor(training_network *network);
/** SCAFFOLD: added to every gradient (the server's control variate less the client's); NULL for none. Copied. */
void training_correct(training_network *network, const float *TRAINING_NULLABLE correction);

/** One step of the optimiser on a batch. The gradient is used where it arises and is not kept. */
int32_t training_train(training_network *network, const training_batch *batch, training_result *result,
                       training_error *error);
/** The gradient alone, and a step with it, for those who change it on the way. */
int32_t training_gradient(training_network *network, const training_batch *batch, training_result *result,
                          training_error *error);
void training_step(training_network *network);
/** Of any number of samples. Sums the losses of the calls of all parts, then divides. */
int32_t training_evaluate(training_network *network, const training_batch *batch, training_result *result,
                          training_error *error);
/** What the network puts out for each sample, without softmax. */
int32_t training_predict(training_network *network, const training_batch *batch, float *outputs, training_error *error);

/* ---- data ---- */

#define TRAINING_RAW_DEFLATE 1u
#define TRAINING_GZIP 2u

/** Bytes that training_release gives back. */
typedef struct training_bytes {
  const void *TRAINING_NULLABLE start;
  uint64_t count;
} training_bytes;

/** Reads a whole file, which must be a regular one of at most `limit` bytes. It blocks: for threads of the pool. */
int32_t training_read_file(const char *path, uint64_t limit, training_bytes *bytes, training_error *error);
void training_release(training_bytes bytes);
/** Unpacks into `room`; fails if what comes out is not exactly `count` bytes. */
int32_t training_inflate(uint32_t kind, const void *packed, uint64_t packed_count, void *room, uint64_t count,
                         training_error *error);
uint32_t training_crc32(const void *TRAINING_NULLABLE start, uint64_t count);

/** A number of a gamma distribution of this shape, from a generator of uniform numbers in (0, 1). */
double training_gamma(double shape, double (*uniform)(void *context), void *context);

#if defined(__clang__)
#pragma clang assume_nonnull end
#pragma clang diagnostic pop
#endif

#endif
