/* Small pieces that the other kernels are made of. Included by them only. */

INLINE lanes splat(float value) { return value - (lanes){}; }

/* Bit for bit: `yes` where the mask is set. */
INLINE lanes choose(lane_bits mask, lanes yes, lanes no) {
  return (lanes)((mask & (lane_bits)yes) | (~mask & (lane_bits)no));
}

INLINE lanes greatest(lanes a, lanes b) { return choose(a > b, a, b); }
INLINE lanes positive(lanes value) { return choose(value > 0.0f, value, (lanes){}); }

/* Halves are added to halves, so that the order is the same on each machine. */
INLINE float sum_of(lanes value) {
  typedef float eight __attribute__((vector_size(32)));
  typedef float four __attribute__((vector_size(16)));
  eight a = __builtin_shufflevector(value, value, 0, 1, 2, 3, 4, 5, 6, 7) +
            __builtin_shufflevector(value, value, 8, 9, 10, 11, 12, 13, 14, 15);
  four b = __builtin_shufflevector(a, a, 0, 1, 2, 3) + __builtin_shufflevector(a, a, 4, 5, 6, 7);
  return (b[0] + b[2]) + (b[1] + b[3]);
}

/* Lanes below `count` are ones. */
INLINE lanes ones_below(uint32_t count) {
  const lane_bits places = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
  return choose(places < (int32_t)count, splat(1), (lanes){});
}

/* How many lanes of a block hold samples. */
INLINE uint32_t filled(uint32_t samples, uint32_t block) {
  uint32_t left = samples - block * LANES;
  return left < LANES ? left : LANES;
}

/* e to the power of each, within 2 units of the last place; 0 far below and the largest finite number far above. */
INLINE lanes exponential(lanes x) {
  x = choose(x < -87.0f, splat(-87.0f), x);
  x = choose(x > 88.0f, splat(88.0f), x);
  lanes scaled = x * 1.44269504088896341f;
  lane_bits whole = __builtin_convertvector(scaled + choose(scaled < 0.0f, splat(-0.5f), splat(0.5f)), lane_bits);
  lanes n = __builtin_convertvector(whole, lanes);
  /* ln 2 in two parts, so that the rest is exact. */
  lanes r = x - n * 0.693359375f;
  r = r + n * 2.12194440e-4f;
  lanes p = splat(1.9875691500e-4f);
  p = p * r + 1.3981999507e-3f;
  p = p * r + 8.3334519073e-3f;
  p = p * r + 4.1665795894e-2f;
  p = p * r + 1.6666665459e-1f;
  p = p * r + 5.0000001201e-1f;
  p = p * r * r + r + 1.0f;
  return p * (lanes)((whole + 127) << 23);
}

/* The Gaussian's integral up to each, by Abramowitz and Stegun 7.1.26: within 2e-7. */
INLINE lanes normal_integral(lanes x) {
  lanes z = x * 0.70710678118654752f;
  lanes size = choose(z < 0.0f, -z, z);
  lanes t = 1.0f / (1.0f + 0.3275911f * size);
  lanes p = splat(1.061405429f);
  p = p * t + -1.453152027f;
  p = p * t + 1.421413741f;
  p = p * t + -0.284496736f;
  p = p * t + 0.254829592f;
  lanes tail = 0.5f * p * t * exponential(-z * z);
  return choose(z < 0.0f, tail, 1.0f - tail);
}
