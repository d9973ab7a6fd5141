#include <math.h>

#include "include/training.h"

/* Box and Muller's, one of the two. */
static double normal(double (*uniform)(void *), void *context) {
  double radius = sqrt(-2 * log(uniform(context)));
  return radius * cos(6.283185307179586 * uniform(context));
}

/* Marsaglia and Tsang, "A simple method for generating gamma variables" (2000); shapes below 1 by their section 6. */
double training_gamma(double shape, double (*uniform)(void *context), void *context) {
  if (shape < 1) return training_gamma(shape + 1, uniform, context) * pow(uniform(context), 1 / shape);
  const double d = shape - 1.0 / 3, c = 1 / sqrt(9 * d);
  for (;;) {
    double x = normal(uniform, context), v = 1 + c * x;
    if (v <= 0) continue;
    v = v * v * v;
    if (log(uniform(context)) < 0.5 * x * x + d - d * v + d * log(v)) return d * v;
  }
}
