"""What runs inside the virtual machine; the standard library alone, besides kumo itself."""
