/// Something that a role said of itself by publishing it: what invariants look at.
package struct Observation: Sendable {
  package var time: Int64
  package var node: Int
  package var role: String
  package var topic: String
  /// The payload, as text.
  package var text: String
}
