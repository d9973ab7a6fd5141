import GatewayFaults
import NodeKit

@main enum Entry: Plugin { typealias Exported = GatewayRole }
