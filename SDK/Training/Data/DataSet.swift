package import NodeValues

/// Samples, one after the other, with the class of each.
package struct DataSet: Sendable {
  package let shape: SampleShape
  package let samples: [Float]
  package let labels: [Int32]

  /// Samples are as many as labels; every label is a class from 0 on.
  package init(shape: SampleShape, samples: [Float], labels: [Int32]) throws(RoleError) {
    guard samples.count == labels.count * shape.features else {
      throw RoleError(
        .invalidArgument,
        "\(labels.count) labels, and \(samples.count) numbers where \(labels.count) samples of \(shape) have "
          + "\(labels.count * shape.features); give each sample a label")
    }
    if let place = labels.firstIndex(where: { $0 < 0 }) {
      throw RoleError(
        .invalidArgument, "sample \(place) is of class \(labels[place]); number the classes from 0 on")
    }
    (self.shape, self.samples, self.labels) = (shape, samples, labels)
  }

  package var count: Int { labels.count }
  package var classes: Int { labels.max().map { Int($0) + 1 } ?? 0 }

  /// The same numbers, seen as samples of another shape.
  package func shaped(_ shape: SampleShape) throws(RoleError) -> DataSet {
    guard shape.features == self.shape.features else {
      throw RoleError(
        .invalidArgument, "samples of \(self.shape) do not fit a model that takes \(shape); change the model's input")
    }
    return try DataSet(shape: shape, samples: samples, labels: labels)
  }

  /// Some of the samples, in the order that is given.
  package func chosen(_ places: [UInt32]) throws(RoleError) -> DataSet {
    var some: [Float] = [], classes: [Int32] = []
    some.reserveCapacity(places.count * shape.features)
    classes.reserveCapacity(places.count)
    for place in places {
      guard Int(place) < count else {
        throw RoleError(.outOfRange, "sample \(place) of \(count); the partition is of another data set")
      }
      some += samples[Int(place) * shape.features..<(Int(place) + 1) * shape.features]
      classes.append(labels[Int(place)])
    }
    return try DataSet(shape: shape, samples: some, labels: classes)
  }
}
