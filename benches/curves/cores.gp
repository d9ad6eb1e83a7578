set terminal svg size 760,300 fixed font "sans-serif,13"
set multiplot layout 1,2
set key left top
set xlabel "processors"
set xtics 1
set yrange [0:*]
stats data using 1 nooutput
set xrange [0.5:STATS_max+0.5]
set ylabel "million answers a second"
set title "engines alone, one on each thread"
plot data using 1:($2/1e6) with linespoints linestyle 1 title "RS", \
     data using 1:($3/1e6) with linespoints linestyle 3 title "Solicit"
set ylabel "thousand answers a second"
set title "RS over a cable, workers"
plot data using 1:($4/1e3) with linespoints linestyle 2 notitle
unset multiplot
