#include "privacy.h"

#include <math.h>
#include <openssl/evp.h>

// Numbers that are made at a time: two words of the key stream give two of them.
#define BLOCK 1024

// From above 0 up to 1, so that its logarithm is finite: 53 bits of it.
static inline double fraction(uint64_t bits) { return ((double)(bits >> 11) + 1) * 0x1p-53; }

// Box and Muller, 1958. Each number takes 64 bits of the stream, and each two of them give two.
static void add(const uint64_t *bits, double deviation, float *x, size_t n) {
  for (size_t i = 0; i < n; i += 2) {
    double radius = deviation * sqrt(-2 * log(fraction(bits[i])));
    double angle = 2 * M_PI * fraction(bits[i + 1]);
    x[i] = (float)(x[i] + radius * cos(angle));
    if (i + 1 < n) x[i + 1] = (float)(x[i + 1] + radius * sin(angle));
  }
}

int cp_add_noise(const uint8_t *seed, double deviation, float *x, uint64_t first, size_t n) {
  static const uint8_t zeroes[BLOCK * 8];
  uint64_t bits[BLOCK], place = first / CP_STEP;
  uint8_t start[16] = {0};
  for (int i = 0; i < 8; i++) start[i] = (uint8_t)(place >> 8 * i);
  EVP_CIPHER_CTX *stream = EVP_CIPHER_CTX_new();
  int done = stream && EVP_EncryptInit_ex(stream, EVP_chacha20(), NULL, seed, start) == 1;
  for (size_t at = 0; at < n && done; at += BLOCK) {
    size_t length = n - at < BLOCK ? n - at : BLOCK;
    int size = 0;
    done = EVP_EncryptUpdate(stream, (uint8_t *)bits, &size, zeroes, sizeof zeroes) == 1;
    if (done) add(bits, deviation, x + at, length);
  }
  EVP_CIPHER_CTX_free(stream);
  return done;
}

// Eight sums side by side, so that they need not wait for one another.
double cp_square(const float *x, const float *base, size_t n) {
  double sums[8] = {0};
  for (size_t i = 0; i < n; i++) {
    double d = (double)x[i] - (base ? base[i] : 0);
    sums[i & 7] += d * d;
  }
  double sum = 0;
  for (int i = 0; i < 8; i++) sum += sums[i];
  return sum;
}

void cp_scale(float *x, const float *base, double factor, size_t n) {
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
