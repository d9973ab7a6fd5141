/* What is done to each number alone. */

INLINE void put(const elementwise *e, uint32_t at, lanes value) {
  float *place = e->out + (size_t)at * LANES;
  LANES_OF(place) = e->accumulate ? CONSTANT_LANES(place) + value : value;
}

#define EACH for (uint32_t i = begin; i < end; i++)
#define IN CONSTANT_LANES(e->in + (size_t)i * LANES)
#define SECOND CONSTANT_LANES(e->second + (size_t)i * LANES)

static void relu(const void *work, uint32_t begin, uint32_t end) {
  const elementwise *e = work;
  EACH put(e, i, positive(IN));
}

static void relu_backward(const void *work, uint32_t begin, uint32_t end) {
  const elementwise *e = work;
  EACH put(e, i, choose(SECOND > 0.0f, IN, (lanes){}));
}

static void gelu(const void *work, uint32_t begin, uint32_t end) {
  const elementwise *e = work;
  EACH put(e, i, IN * normal_integral(IN));
}

static void gelu_backward(const void *work, uint32_t begin, uint32_t end) {
  const elementwise *e = work;
  EACH {
    lanes x = SECOND;
    lanes density = exponential(-0.5f * x * x) * 0.3989422804014327f;
    put(e, i, IN * (normal_integral(x) + x * density));
  }
}

/* A number that depends on nothing but the key and the place, so no thread needs a generator. */
INLINE lane_bits kept(uint32_t key, uint32_t at, uint32_t threshold) {
  typedef uint32_t words __attribute__((vector_size(64)));
  const words places = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
  words mixed = (places + at * LANES) * 0x9E3779B1u + key;
  mixed = (mixed ^ (mixed >> 16)) * 0x85EBCA6Bu;
  mixed = (mixed ^ (mixed >> 13)) * 0xC2B2AE35u;
  mixed = mixed ^ (mixed >> 16);
  return (lane_bits)((mixed >> 8) >= threshold);
}

static void dropout(const void *work, uint32_t begin, uint32_t end) {
  const elementwise *e = work;
  EACH put(e, i, choose(kept(e->key, i, e->threshold), IN * e->scale, (lanes){}));
}

static void add(const void *work, uint32_t begin, uint32_t end) {
  const elementwise *e = work;
  EACH {
    lanes sum = IN + SECOND;
    put(e, i, e->relu ? positive(sum) : sum);
  }
}

static void pass(const void *work, uint32_t begin, uint32_t end) {
  const elementwise *e = work;
  EACH put(e, i, IN);
}

static void softmax(const float *in, const int32_t *labels, uint32_t classes, float *out, float *losses) {
  lanes most = CONSTANT_LANES(in), sum = {};
  for (uint32_t i = 1; i < classes; i++) most = greatest(most, CONSTANT_LANES(in + i * LANES));
  for (uint32_t i = 0; i < classes; i++) {
    lanes power = exponential(CONSTANT_LANES(in + i * LANES) - most);
    LANES_OF(out + i * LANES) = power;
    sum += power;
  }
  for (uint32_t i = 0; i < classes; i++) LANES_OF(out + i * LANES) /= sum;
  for (uint32_t lane = 0; lane < LANES; lane++)
    losses[lane] = __builtin_logf(sum[lane]) + most[lane] - in[(size_t)labels[lane] * LANES + lane];
}
