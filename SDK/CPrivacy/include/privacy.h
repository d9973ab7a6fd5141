// What Privacy needs of OpenSSL and of the library of mathematics, in plain C. No function keeps anything.
#ifndef PRIVACY_H
#define PRIVACY_H

#include <stddef.h>
#include <stdint.h>

#pragma clang assume_nonnull begin

#define CP_KEY 32
// Numbers of noise begin at multiples of it.
#define CP_STEP 8

// Adds normal noise of this deviation to the `n` numbers from `first` on, which is a multiple of CP_STEP; the same seed
// gives a number at a place the same noise. 1 if all is well.
int cp_add_noise(const uint8_t *seed, double deviation, float *x, uint64_t first, size_t n);

// The square of the distance, and x = base + (x - base) * factor. `base` may be null: zeroes then.
double cp_square(const float *x, const float *_Nullable base, size_t n);
void cp_scale(float *x, const float *_Nullable base, double factor, size_t n);

// The logarithm of the moment of a whole order of the Gaussian mechanism with noise of `deviation`, on a sample to which
// each belongs with probability q (Mironov, Talwar and Zhang, "Renyi differential privacy of the sampled Gaussian
// mechanism", 2019, section 3.3).
double cp_log_moment(double q, double deviation, int order);
double cp_log(double x);

#pragma clang assume_nonnull end

#endif
