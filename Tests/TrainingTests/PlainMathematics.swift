import Glibc

func exponential(_ x: Double) -> Double { exp(x) }
func logarithm(_ x: Double) -> Double { log(x) }

/// The part of a normal distribution that lies below x.
func gaussianIntegral(_ x: Double) -> Double { (1 + erf(x / 2.0.squareRoot())) / 2 }
