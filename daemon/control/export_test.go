package control

// RoutePatterns returns the method and the path of every route.
func RoutePatterns() []string {
	var all []string
	for _, rt := range routes {
		all = append(all, rt.method+" "+rt.path)
	}
	return all
}
