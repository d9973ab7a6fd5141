/// The version that both executables print.
package let productVersion = "0.1.0"
