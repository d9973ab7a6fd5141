#include "privacy.h"

#include <math.h>
#include <openssl/evp.h>
#include <string.h>

// A function that is compiled for several kinds of machine, of which the loader takes the best that this one is.
// Not under the thread sanitizer, which would look at the choosing before it has begun itself.
#if defined(__x86_64__) && defined(__linux__) && !__has_feature(thread_sanitizer)
#define LANES __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))
#else
#define LANES
#endif

// Numbers that are made at a time: two words of the key stream give two of them.
#define BLOCK 1024

// From above 0 up to 1, so that its logarithm is finite: 53 bits of it.
static inline double fraction(uint64_t bits) { return ((double)(bits >> 11) + 1) * 0x1p-53; }

// The library's functions take one number at a time; these are loops' bodies without a branch, right to 14 digits.
static inline double logarithm(double x) {
  uint64_t bits;
  memcpy(&bits, &x, 8);
  int32_t exponent = (int32_t)(bits >> 52) - 1023;
  bits = (bits & 0xfffffffffffffull) | 0x3ff0000000000000ull;
  double m;
  memcpy(&m, &bits, 8);
  // From 1 / sqrt(2) up to sqrt(2), so that the series is short.
  int32_t high = m > M_SQRT2;
  m = high ? m / 2 : m;
  double t = (m - 1) / (m + 1), q = t * t, sum = 1.0 / 19;
  for (int k = 17; k > 0; k -= 2) sum = sum * q + 1.0 / k;
  return (exponent + high) * M_LN2 + 2 * t * sum;
}

// Of u turns, from 0 to 1.
static inline void circle(double u, double *sine, double *cosine) {
  double quarters = floor(u * 4 + 0.5), angle = (u * 4 - quarters) * M_PI_2, q = angle * angle;
  double s = 1, c = 1;
  for (int k = 14; k > 0; k -= 2) {
    s = 1 - s * q / (k * (k + 1));
    c = 1 - c * q / (k * (k - 1));
  }
  // Another term for the cosine would change its last bit.
  s *= angle;
  int32_t quarter = (int32_t)quarters & 3;
  double one = quarter & 1 ? c : s, other = quarter & 1 ? s : c;
  *sine = quarter & 2 ? -one : one;
  *cosine = (quarter + 1) & 2 ? -other : other;
}

// Box and Muller, 1958. Each number takes 64 bits of the stream, and each two of them give two.
LANES static void make(const uint64_t *bits, double deviation, float *noise, size_t pairs) {
  for (size_t i = 0; i < pairs; i++) {
    double radius = deviation * sqrt(-2 * logarithm(fraction(bits[2 * i]))), sine, cosine;
    circle(fraction(bits[2 * i + 1]), &sine, &cosine);
    noise[2 * i] = (float)(radius * cosine);
    noise[2 * i + 1] = (float)(radius * sine);
  }
}

LANES static void add(const float *noise, float *x, size_t n) {
  for (size_t i = 0; i < n; i++) x[i] += noise[i];
}

int cp_add_noise(const uint8_t *seed, double deviation, float *x, uint64_t first, size_t n) {
  static const uint8_t zeroes[BLOCK * 8];
  float noise[BLOCK];
  uint64_t bits[BLOCK], place = first / CP_STEP;
  uint8_t start[16] = {0};
  for (int i = 0; i < 8; i++) start[i] = (uint8_t)(place >> 8 * i);
  EVP_CIPHER_CTX *stream = EVP_CIPHER_CTX_new();
  int done = stream && EVP_EncryptInit_ex(stream, EVP_chacha20(), NULL, seed, start) == 1;
  for (size_t at = 0; at < n && done; at += BLOCK) {
    size_t length = n - at < BLOCK ? n - at : BLOCK;
    int size = 0;
    done = EVP_EncryptUpdate(stream, (uint8_t *)bits, &size, zeroes, sizeof zeroes) == 1;
    if (!done) break;
    make(bits, deviation, noise, BLOCK / 2);
    add(noise, x + at, length);
  }
  EVP_CIPHER_CTX_free(stream);
  return done;
}

// Sums side by side, so that they need not wait for one another.
#define SUMS 32

LANES static void square(const float *x, const float *base, size_t n, double *sums) {
  for (size_t i = 0; i + SUMS <= n; i += SUMS)
    for (int k = 0; k < SUMS; k++) {
      double d = (double)x[i + k] - base[i + k];
      sums[k] += d * d;
    }
}

LANES static void square_alone(const float *x, size_t n, double *sums) {
  for (size_t i = 0; i + SUMS <= n; i += SUMS)
    for (int k = 0; k < SUMS; k++) sums[k] += (double)x[i + k] * x[i + k];
}

double cp_square(const float *x, const float *base, size_t n) {
  double sums[SUMS] = {0}, sum = 0;
  if (base) square(x, base, n, sums);
  else square_alone(x, n, sums);
  for (size_t i = n / SUMS * SUMS; i < n; i++) {
    double d = (double)x[i] - (base ? base[i] : 0);
    sum += d * d;
  }
  for (int i = 0; i < SUMS; i++) sum += sums[i];
  return sum;
}

LANES void cp_scale(float *x, const float *base, double factor, size_t n) {
  for (size_t i = 0; i < n; i++) {
    double from = base ? base[i] : 0;
    x[i] = (float)(from + (x[i] - from) * factor);
  }
}

static double log_sum(double a, double b) {
  double high = fmax(a, b), low = fmin(a, b);
  return low == -INFINITY ? high : high + log1p(exp(low - high));
}

double cp_log_moment(double q, double deviation, int order) {
  if (q >= 1) return (double)order * (order - 1) / (2 * deviation * deviation);
  double sum = -INFINITY, log_choose = 0;
  for (int k = 0; k <= order; k++) {
    // The binomial coefficient, from the one before.
    if (k > 0) log_choose += log(order - k + 1) - log(k);
    double term = log_choose + k * log(q) + (order - k) * log1p(-q);
    sum = log_sum(sum, term + (double)k * (k - 1) / (2 * deviation * deviation));
  }
  return sum;
}

double cp_log(double x) { return log(x); }
